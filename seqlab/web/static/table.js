// The table of runs: filter, sort, tick.
import { $, make } from './wire.js';

export const runs = new Map(); // id -> row
export const chosen = new Set(); // ids, in the order in which they were ticked
const COLORS = ['#0b7fc4', '#d55e00', '#0a9a73', '#c8609c', '#b58900', '#7a5fd0', '#8a8f98', '#a33'];
const lines = new Map(); // id -> <tr>
const waiting = new Set();
let sorted = { key: 'started', down: true };
let changed = () => {};

export const onChoice = (call) => { changed = call; };
export const color = (id) => COLORS[[...chosen].indexOf(id) % COLORS.length];
export const title = (id) => {
  const { name, folder, differs } = runs.get(id) ?? { name: id };
  return `${name} ${differs || folder || ''}`;
};
const digits = (value) => (value == null ? '' : Number(value.toPrecision(5)).toLocaleString('en'));
const number = (name) => (row, cell) => {
  cell.className = 'number';
  cell.textContent = (name === 'best' && row.partly ? '≈ ' : '') + digits(row[name]);
  cell.title = row.metric ? `${row.split} ${row.metric}` : '';
};
const text = (name) => (row, cell) => {
  Object.assign(cell, { textContent: row[name] ?? '', dir: 'auto', title: row[name] ?? '' });
  cell.classList.add(name);
};

const COLUMNS = {
  run: [(row) => row.name, (row, cell) => {
    cell.replaceChildren(make('bdi', row.name), ' ', make('small', (row.tags ?? []).join(', ')));
    cell.title = [row.folder, row.note, row.doubt, row.problem].filter(Boolean).join('\n');
  }],
  status: [(row) => row.status, (row, cell) => {
    Object.assign(cell, { textContent: row.status, className: row.status });
    cell.title = row.problem ?? '';
  }],
  progress: [(row) => row.step / row.total || 0, (row, cell) => {
    const bar = make('progress', '', { max: row.total || 1, value: row.step || 0 });
    bar.ariaLabel = `step ${row.step} of ${row.total}`;
    cell.replaceChildren(bar, ` ${digits(row.step)}`);
  }],
  best: [(row) => row.best, number('best')],
  last: [(row) => row.last, number('last')],
  'tokens/s': [(row) => row.speed, number('speed')],
  corpus: [(row) => row.corpus, text('corpus')],
  'what differs': [(row) => row.differs, text('differs')],
  started: [(row) => row.started, (row, cell) => {
    const when = new Date(row.started);
    cell.textContent = isNaN(when) ? '' : when.toLocaleString('sv').slice(0, 16);
  }],
};

for (const key of Object.keys(COLUMNS)) {
  const button = make('button', key, { type: 'button', onclick: () => {
    sorted = { key, down: sorted.key === key && !sorted.down };
    draw();
  } });
  const head = make('th', '', { scope: 'col' });
  head.append(button);
  head.dataset.key = key;
  $('table').tHead.rows[0].append(head);
}

export function takeTable({ rows, gone, whole }) {
  const ids = new Set(rows.map((row) => row.id));
  if (whole) gone = [...runs.keys()].filter((id) => !ids.has(id));
  for (const id of gone) {
    runs.delete(id);
    lines.delete(id);
    chosen.delete(id);
  }
  for (const row of rows) runs.set(row.id, row);
  ids.forEach((id) => waiting.add(id));
  requestAnimationFrame(draw);
  dispatchEvent(new Event('runs'));
}

function line(id) {
  const row = runs.get(id);
  if (!lines.has(id)) {
    const tick = make('input', '', { type: 'checkbox', ariaLabel: `Show ${row.name}` });
    tick.onchange = () => choose(id, tick.checked);
    const made = document.createElement('tr');
    made.insertCell().append(tick);
    Object.keys(COLUMNS).forEach(() => made.insertCell());
    lines.set(id, made);
    waiting.add(id);
  }
  const made = lines.get(id);
  if (waiting.delete(id)) {
    Object.values(COLUMNS).forEach(([, fill], place) => fill(row, made.cells[place + 1]));
  }
  return made;
}

function choose(id, is) {
  if (is) chosen.add(id);
  else chosen.delete(id);
  if (chosen.size > 16) choose([...chosen][0], false);
  lines.get(id).cells[0].firstChild.checked = is;
  changed();
}

function draw() {
  const words = $('filter').value.toLowerCase().split(/\s+/).filter(Boolean);
  const said = (row) => ['name', 'folder', 'status', 'corpus', 'differs', 'tags', 'note']
    .map((key) => row[key]).join(' ').toLowerCase();
  const kept = [...runs.values()].filter((row) => words.every((word) => said(row).includes(word)));
  const [value] = COLUMNS[sorted.key];
  const empty = (one) => one == null || one === '';
  kept.sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (empty(x) || empty(y)) return empty(x) - empty(y);
    return (x < y ? -1 : x > y) * (sorted.down ? -1 : 1);
  });
  const body = $('table').tBodies[0];
  const wanted = kept.map((row) => line(row.id));
  if (wanted.length !== body.rows.length || wanted.some((row, i) => row !== body.rows[i])) {
    body.replaceChildren(...wanted);
  }
  $('count').textContent = `${kept.length} of ${runs.size} runs`;
  for (const head of $('table').tHead.rows[0].cells) {
    const order = sorted.down ? 'descending' : 'ascending';
    head.ariaSort = head.dataset.key === sorted.key ? order : 'none';
  }
}

$('filter').oninput = draw;
$('none').onclick = () => [...chosen].forEach((id) => choose(id, false));
