// The table of runs: filter, sort, tick.
import { $, make } from './wire.js';
export const runs = new Map(); // id -> row
export const chosen = new Set(); // ids, in the order in which they were ticked
const COLORS = ['#1687d0', '#d9640a', '#0f9d76', '#c8609c', '#b58900', '#7a5fd0', '#888', '#b33'];
const heads = [...$('table').tHead.rows[0].cells].slice(1); // each named as what it shows
const lines = new Map(); // id -> <tr>
const waiting = new Set(); // ids of rows that are not yet shown as they are
let sorted = { key: 'started', down: true };
let shownAt = []; // the lines in their order
let changed;

export const onChoice = (call) => { changed = call; };
export const color = (id) => COLORS[[...chosen].indexOf(id) % COLORS.length];
export const title = (id) => runs.get(id)?.title ?? id;
const digits = new Intl.NumberFormat('en', { maximumSignificantDigits: 5 }).format;
for (const { firstChild, className: key } of heads) {
  firstChild.onclick = () => draw(sorted = { key, down: sorted.key === key && !sorted.down });
}

export function takeTable({ rows, gone, whole }) {
  const ids = new Set(rows.map((row) => row.id));
  for (const id of whole ? [...runs.keys()].filter((one) => !ids.has(one)) : gone) {
    [runs, lines, chosen].forEach((all) => all.delete(id));
  }
  for (const row of rows) {
    runs.set(row.id, row);
    waiting.add(row.id);
  }
  requestAnimationFrame(draw);
  dispatchEvent(new Event('runs'));
}

function line(id) {
  const row = runs.get(id);
  if (!lines.has(id)) {
    const tick = make('input', '', { type: 'checkbox', ariaLabel: `Show ${row.name}` });
    tick.onchange = () => tickRun(id, tick.checked);
    lines.set(id, document.createElement('tr'));
    lines.get(id).insertCell().append(tick);
    heads.forEach(() => lines.get(id).insertCell());
  }
  if (waiting.delete(id)) {
    heads.forEach(({ className }, i) => show(lines.get(id).cells[i + 1], row, className));
  }
  return lines.get(id);
}

function show(cell, row, key) {
  const value = row[key] ?? '';
  const text = typeof value === 'number' ? digits(value) : value;
  Object.assign(cell, { textContent: text, title: row.hints[key] ?? text });
  if (text === value) cell.dir = 'auto';
  cell.className = `${key} ${key === 'status' ? value : row.partly ? 'partly' : ''}`;
  if (key !== 'progress') return; // the bar is drawn by the style: a thousand elements take long
  cell.style.setProperty('--done', `${100 * value}%`);
  cell.textContent = digits(row.step ?? 0);
}

function tickRun(id, is) {
  chosen[is ? 'add' : 'delete'](id);
  lines.get(id).cells[0].firstChild.checked = is;
  if (chosen.size > 16) tickRun([...chosen][0], false);
  else changed();
}

function draw() {
  const words = $('filter').value.toLowerCase().split(/\s+/);
  const said = (row) => Object.values(row).join(' ').toLowerCase();
  const kept = [...runs.values()].filter((row) => words.every((word) => said(row).includes(word)));
  const empty = (one) => one == null || one === '';
  kept.sort(({ [sorted.key]: a }, { [sorted.key]: b }) => (empty(a) || empty(b)
    ? empty(a) - empty(b) : (a < b ? -1 : a > b) * (sorted.down ? -1 : 1)));
  const [body, wanted] = [$('table').tBodies[0], kept.map((row) => line(row.id))];
  const same = wanted.length === body.rows.length && wanted.every((row, i) => row === shownAt[i]);
  if (!same) body.replaceChildren(...shownAt = wanted);
  $('count').textContent = `${kept.length} of ${runs.size} runs`;
  requestIdleCallback(() => import('/static/plotly.min.js')); // it is large
  const order = sorted.down ? 'descending' : 'ascending';
  heads.forEach((head) => { head.ariaSort = head.className === sorted.key ? order : 'none'; });
}

$('filter').oninput = draw;
$('none').onclick = () => [...chosen].forEach((id) => tickRun(id, false));
