// The runs that are ticked: curves, configuration, samples and log.
import { $, ask, make, options } from './wire.js';
import { chosen, color, runs, title } from './table.js';

const rows = new Map(); // id -> rows of metrics
const samples = new Map();
const logs = new Map();
const COUNTED = ['step', 'epoch', 'tokens', 'seconds'];
let timer;

export function takeRows({ run, anew, names, values }) {
  let kept = anew ? [] : rows.get(run) ?? [];
  const more = values.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i]])));
  const first = new Map(more.toReversed().map((row) => [row.split, row.step]));
  if (first.size) kept = kept.filter((row) => !(row.step >= first.get(row.split)));
  rows.set(run, kept.concat(more));
  later();
}
const taken = (all, key, most) => (told) => {
  const kept = told.anew ? [] : all.get(told.run) ?? [];
  all.set(told.run, kept.concat(told[key]).slice(-most));
  later();
};
export const takeSamples = taken(samples, 'samples', 200);
export const takeLog = taken(logs, 'lines', 400);
export const takeProblem = ({ run, problem }) => takeLog({ run, lines: [`! ${problem}`] });

const later = () => { timer ??= setTimeout(draw, 200); };

export function choose() {
  for (const id of rows.keys()) if (!chosen.has(id)) [rows, samples, logs].map((m) => m.delete(id));
  $('chosen').hidden = !chosen.size;
  later();
  if (chosen.size) compare();
}

async function compare() {
  const ids = [...chosen];
  const told = ids.length > 1
    ? (await (await ask(`/api/difference?runs=${ids.join()}`)).json())
    : [{ key: '', values: [(await (await ask(`/api/runs/${ids[0]}`)).json()).experiment] }];
  const table = make('table');
  for (const { key, values } of told) {
    const line = table.insertRow();
    line.append(make('td', key), ...values.map((value) => make('td', value ?? '–')));
  }
  const head = table.createTHead().insertRow();
  head.append(make('th', 'key'), ...ids.map((id) => make('th', title(id), { dir: 'auto' })));
  const whole = ids.length > 1 ? table : make('pre', told[0].values[0]);
  $('difference').replaceChildren(told.length ? whole : make('p', 'Nothing differs.'));
}

function traces() {
  const by = $('by').value;
  return [...chosen].flatMap((id) => {
    const own = (rows.get(id) ?? []).filter((row) => Number.isFinite(row[$('metric').value]));
    return [...new Set(own.map((row) => row.split))].map((split) => {
      const points = own.filter((row) => row.split === split);
      return {
        x: points.map((row) => row[by]),
        y: points.map((row) => row[$('metric').value]),
        mode: points.length < 30 ? 'lines+markers' : 'lines',
        line: { color: color(id), width: 2, dash: split === 'train' ? 'dot' : 'solid' },
        marker: { size: 5 },
        hovertemplate: `%{x}: %{y:.5g}<extra>${[...chosen].indexOf(id) + 1}</extra>`,
      };
    });
  });
}

function draw() {
  timer = undefined;
  const names = new Set([...rows.values()].flatMap((own) => own.slice(-9).flatMap(Object.keys)));
  const metrics = [...names].filter((name) => name !== 'split' && !COUNTED.includes(name));
  const first = metrics.includes('perplexity') ? 'perplexity' : 'loss';
  options($('metric'), metrics.map((name) => [name, name]), $('metric').value || first);
  $('chart-title').textContent = `${$('metric').value} by ${$('by').value}`;
  const ink = getComputedStyle(document.body).color;
  const grid = { gridcolor: 'rgba(128,128,128,.25)', zeroline: false };
  Plotly.react($('chart'), traces(), {
    margin: { t: 10, r: 10, b: 36, l: 56 }, showlegend: false, hovermode: 'closest',
    paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', font: { color: ink },
    xaxis: grid, yaxis: { ...grid, type: $('log').checked ? 'log' : 'linear' }, uirevision: 1,
  }, { displayModeBar: false, responsive: true });
  $('legend').replaceChildren(...[...chosen].map((id, place) => {
    const entry = make('span');
    const swatch = make('i', '', { className: 'swatch' });
    swatch.style.background = color(id);
    entry.append(swatch, `${place + 1}`, make('bdi', title(id)));
    return entry;
  }), make('span', 'full: evaluated · dotted: training'));
  columns($('samples'), samples, (own) => own.toReversed().slice(0, 40).map((one) => {
    const shown = make('div', '', { className: 'sample' });
    shown.append(make('small', `step ${one.step}`), make('div', one.text, { dir: 'auto' }));
    return shown;
  }));
  columns($('logs'), logs, (own) => [make('pre', own.join('\n'))]);
}

function columns(place, all, shown) {
  place.className = 'columns';
  place.replaceChildren(...[...chosen].map((id) => {
    const column = make('div');
    column.append(make('h2', title(id), { dir: 'auto' }), ...shown(all.get(id) ?? []));
    return column;
  }));
}

[$('metric'), $('by'), $('log')].forEach((one) => { one.onchange = draw; });
matchMedia('(prefers-color-scheme: dark)').onchange = later;
