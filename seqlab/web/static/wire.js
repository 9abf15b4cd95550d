// Asks the server. The token comes behind the address once; it goes along with every request.
const given = new URLSearchParams(location.hash.slice(1)).get('token');
if (given) sessionStorage.setItem('token', given);
if (given) history.replaceState(null, '', location.pathname);
addEventListener('hashchange', () => /token=/.test(location.hash) && location.reload());

export const $ = (id) => document.getElementById(id);
export const make = (tag, textContent = '', more = {}) =>
  Object.assign(document.createElement(tag), { textContent, ...more });
export function fill(select, pairs, chosen = select.value) {
  select.replaceChildren(...pairs.map(([value, text]) => make('option', text, { value })));
  if (pairs.some(([value]) => value === chosen)) select.value = chosen;
}

export function table(heads, lines) {
  const made = make('table');
  const cells = (tag, texts) => texts.map((text) => make(tag, text ?? '–', { dir: 'auto' }));
  lines.forEach((texts) => made.insertRow().append(...cells('td', texts)));
  made.createTHead().insertRow().append(...cells('th', heads));
  return made;
}

export async function ask(path, body, signal) {
  const headers = { Authorization: `Bearer ${sessionStorage.getItem('token')}` };
  const post = { method: 'POST', body: JSON.stringify(body) };
  if (body) headers['Content-Type'] = 'application/json';
  const answer = await fetch(path, { headers, signal, ...(body ? post : {}) });
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(told.error ?? answer.statusText), { status: answer.status });
}

export async function* events(path, body, signal) {
  const reader = (await ask(path, body, signal)).body.pipeThrough(new TextDecoderStream());
  let rest = '';
  for await (const part of reader) {
    const blocks = (rest + part).split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) {
      const [, name, data] = block.match(/^event: (.*)\ndata: (.*)$/) ?? [];
      if (name) yield [name, JSON.parse(data)];
    }
  }
}
