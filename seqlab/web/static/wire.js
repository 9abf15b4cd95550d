// Asks the server. The token comes behind the address once; it goes along with every request.
const given = new URLSearchParams(location.hash.slice(1)).get('token');
if (given) {
  sessionStorage.setItem('token', given);
  history.replaceState(null, '', location.pathname);
}
addEventListener('hashchange', () => location.reload());

export const $ = (id) => document.getElementById(id);
export const make = (tag, text = '', more = {}) =>
  Object.assign(document.createElement(tag), { textContent: text }, more);
export const options = (select, pairs, chosen) => {
  const before = chosen ?? select.value;
  select.replaceChildren(...pairs.map(([value, text]) => make('option', text, { value })));
  if (pairs.some(([value]) => `${value}` === `${before}`)) select.value = before;
};

export async function ask(path, body, signal) {
  const headers = { Authorization: `Bearer ${sessionStorage.getItem('token')}` };
  const request = { headers, signal };
  if (body) {
    headers['Content-Type'] = 'application/json';
    Object.assign(request, { method: 'POST', body: JSON.stringify(body) });
  }
  const answer = await fetch(path, request);
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(told.error ?? answer.statusText), { status: answer.status });
}

export async function* events(path, body, signal) {
  const answer = await ask(path, body, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (let part; !(part = await reader.read()).done;) {
    const blocks = (rest + part.value).split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) {
      const [, name, data] = block.match(/^event: (.*)\ndata: (.*)$/) ?? [];
      if (name) yield [name, JSON.parse(data)];
    }
  }
}
