export function openPlayground() {}
