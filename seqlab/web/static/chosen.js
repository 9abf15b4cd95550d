// The runs that are ticked: curves, configuration, samples and log.
import { $, ask, fill, make, table } from './wire.js';
import { chosen, color, title } from './table.js';

const [rows, samples, logs] = [new Map(), new Map(), new Map()]; // by the id of a run
let timer;
const later = () => { timer ??= setTimeout(draw, 200); };

function takeRows({ run, anew, splits }) {
  const own = anew ? {} : rows.get(run) ?? {}; // split -> column -> numbers
  for (const [split, columns] of Object.entries(splits)) {
    const kept = own[split] ??= {};
    Object.keys(columns).forEach((key) => { kept[key] = (kept[key] ?? []).concat(columns[key]); });
  }
  rows.set(run, own);
  later();
}
const taking = (all, key, most) => (told) => {
  const before = told.anew ? [] : all.get(told.run) ?? [];
  all.set(told.run, before.concat(told[key]).slice(-most));
  later();
};
export const take = {
  rows: takeRows, samples: taking(samples, 'samples', 200), log: taking(logs, 'lines', 400),
};

export async function choose() {
  const gone = [...rows.keys()].filter((id) => !chosen.has(id));
  gone.forEach((id) => [rows, samples, logs].forEach((all) => all.delete(id)));
  $('chosen').hidden = !chosen.size;
  if (!chosen.size) return;
  later();
  const ids = [...chosen];
  const told = await (await ask(`/api/difference?runs=${ids.join()}`)).json();
  const lines = told.map(({ key, values }) => [key, ...values]);
  if (ids.join() !== [...chosen].join()) return;
  $('difference').replaceChildren(table(['key', ...ids.map(title)], lines));
}

function traces(metric, by) {
  return [...chosen].flatMap((id, place) => Object.entries(rows.get(id) ?? {})
    .filter(([, columns]) => columns[metric]).map(([split, columns]) => ({
      x: columns[by], y: columns[metric], marker: { size: 5 },
      mode: columns[by].length < 30 ? 'lines+markers' : 'lines',
      line: { color: color(id), width: 2, dash: split === 'train' ? 'dot' : 'solid' },
      hovertemplate: `%{x}: %{y:.5g}<extra>${place + 1}</extra>`,
    })));
}

function draw() {
  timer = undefined;
  if (!globalThis.Plotly) return later(); // it is loaded after the table
  const all = [...rows.values()].flatMap(Object.values).flatMap(Object.keys);
  const names = new Set(['perplexity', ...all].filter((name) => all.includes(name)));
  ['step', 'epoch'].forEach((name) => names.delete(name));
  fill($('metric'), [...names].map((name) => [name, name]));
  const [metric, by] = [$('metric').value, $('by').value];
  $('chart-title').textContent = `${metric} by ${by}`;
  const grid = { gridcolor: 'rgba(128,128,128,.25)', zeroline: false };
  Plotly.react($('chart'), traces(metric, by), {
    margin: { t: 10, r: 10, b: 36, l: 56 }, showlegend: false, hovermode: 'closest', xaxis: grid,
    yaxis: { ...grid, type: $('log').checked ? 'log' : 'linear' }, uirevision: metric + by,
    paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)',
    font: { color: getComputedStyle(document.body).color },
  }, { displayModeBar: false, responsive: true });
  columns($('legend'), rows, () => []);
  columns($('samples'), samples, (own) => own.toReversed().slice(0, 40).map((one) => {
    const shown = make('div', '', { className: 'sample' });
    shown.append(make('small', `step ${one.step}`), make('div', one.text, { dir: 'auto' }));
    return shown;
  }));
  columns($('logs'), logs, (own) => [make('pre', own.join('\n'))]);
}

const columns = (place, all, shown) => place.replaceChildren(...[...chosen].map((id) => {
  const column = make('div');
  column.style.setProperty('--color', color(id));
  column.append(make('h2', title(id), { dir: 'auto' }), ...shown(all.get(id) ?? []));
  return column;
}));

[$('metric'), $('by'), $('log')].forEach((one) => { one.onchange = draw; });
matchMedia('(prefers-color-scheme: dark)').onchange = later;
