// Models write, and each of their tokens says how it came.
import { $, ask, events, fill, make, table } from './wire.js';
import { runs, title } from './table.js';

let stop = new AbortController();
let forms = { decoders: [] };
const clear = { margin: { t: 6, r: 6, b: 30, l: 40 }, height: 300, paper_bgcolor: '#0000' };

class Pane {
  constructor(place) {
    this.place = place;
    this.root = $('pane').content.cloneNode(true).firstElementChild;
    this.root.querySelectorAll('[class]').forEach((one) => { this[one.className] ??= one; });
    this.text.onclick = ({ target }) => this.pick(target);
    this.text.onkeydown = ({ key, target }) => {
      if (key === 'Enter') this.pick(target);
      ({ ArrowRight: target.nextSibling, ArrowLeft: target.previousSibling })[key]?.focus();
    };
    this.look.onclick = this.of.onchange = () => this.states();
    this.unit.oninput = () => this.shade();
    $(`run-${place}`).onchange = () => fillForms(place);
    $('panes').append(this.root);
  }

  say(textContent, bad = false) {
    this.root.hidden = false;
    Object.assign(this.note, { textContent, className: bad ? 'note problem' : 'note' });
  }

  async play(kind, body, take) {
    try {
      for await (const [name, told] of events(`/api/play/${kind}`, body, stop.signal)) {
        if (name === 'error') throw new Error(told.error);
        take(told, name);
      }
    } catch (error) {
      this.say(stop.signal.aborted ? 'stopped' : error.message, !stop.signal.aborted);
    }
  }

  async write(kind, body) {
    const run = $(`run-${this.place}`).value;
    this.root.hidden = !run;
    if (!run) return;
    const checkpoint = $(`checkpoint-${this.place}`).value;
    this.body = { ...body, run, checkpoint, is_scored: kind === 'score' };
    [this.values, this.unit.value] = [[], ''];
    [this.text, this.candidates].forEach((one) => one.replaceChildren());
    this.root.classList.remove('seen');
    this.heading.textContent = title(run);
    this.say('loading …');
    await this.play(kind, this.body, (told, name) => {
      if (told.note) this.say(told.note);
      if (name === 'tokens') this.add(told);
    });
    this.look.disabled = !this.text.children.length;
  }

  add({ tokens, given }) {
    const more = { className: given ? 'token given' : 'token', role: 'option', tabIndex: -1 };
    this.text.append(...tokens.map((token) => make('span', token.text, { ...token, ...more })));
    this.text.firstChild.tabIndex = 0;
    this.shade(this.text.children.length - tokens.length);
  }

  shade(from = 0) {
    const unit = this.unit.value;
    const most = Math.max(1e-9, ...this.values.map((row) => Math.abs(row[unit] ?? 0)));
    [...this.text.children].slice(from).forEach(({ nats, style }, place) => {
      const value = unit === '' ? Math.min((nats ?? 0) / 10, 1) : (this.values[place]?.[unit] ?? 0);
      const name = unit === '' ? 'heat' : value < 0 ? 'unit-minus' : 'unit-plus';
      const share = Math.abs(value) / (unit === '' ? 1 : most);
      style.background = `rgba(var(--${name}), ${(share * 0.85).toFixed(3)})`;
    });
  }

  pick(picked) {
    const all = [...this.text.children];
    const at = all.indexOf(picked);
    if (at < 0) return;
    all.forEach((token) => { token.ariaSelected = token === picked; });
    this.play('candidates', { ...this.body, at }, ({ heads, lines, chosen }) => {
      this.candidates.replaceChildren(table(heads, lines));
      this.candidates.firstChild.rows[chosen + 1].className = 'chosen';
    });
  }

  states() {
    const body = { ...this.body, part: this.of.value || 'outputs' };
    return this.play('hidden', body, ({ parts, values, note }) => {
      this.values = values;
      fill(this.of, parts.map((part) => [part, part]), body.part);
      Object.assign(this.unit, { max: values[0].length - 1, value: this.unit.value || 0 });
      this.root.classList.add('seen');
      const z = values[0].map((_, unit) => values.map((row) => row[unit]));
      const font = { color: getComputedStyle(document.body).color };
      Plotly.react(this.map, [{ type: 'heatmap', z, zmid: 0, colorscale: 'RdBu', showscale: false,
        hovertemplate: 'token %{x}, unit %{y}: %{z}<extra></extra>' }], { ...clear, font },
      { displayModeBar: false, responsive: true });
      this.map.removeAllListeners('plotly_click');
      this.map.on('plotly_click', ({ points: [{ y }] }) => this.shade(0, this.unit.value = y));
      this.shade();
      this.say(note);
    });
  }
}

function fillRuns() {
  const newest = [...runs.values()].sort((a, b) => (a.started < b.started ? 1 : -1));
  const pairs = newest.map(({ id }) => [id, title(id)]);
  fill($('run-0'), pairs);
  fill($('run-1'), [['', 'none'], ...pairs]);
  if (pairs.length && !forms.decoders.length) fillForms(0);
}

async function fillForms(place) {
  const run = $(`run-${place}`).value;
  if (!run) return;
  try {
    const told = await (await ask(`/api/runs/${run}/forms`)).json();
    fill($(`checkpoint-${place}`), told.checkpoints);
    if (place || forms.decoders.length) return; // what was chosen stays
    forms = told;
    fill($('decoder'), forms.decoders.map(({ name }) => [name, name]), forms.own);
    fillOptions();
  } catch (error) {
    panes[place].say(error.message, true);
  }
}

function fillOptions() {
  const form = forms.decoders.find(({ name }) => name === $('decoder').value);
  $('decoder').title = form.help;
  $('options').replaceChildren(make('legend', form.help), ...form.options.map((option) => {
    const label = make('label', `${option.name} `, { title: option.help });
    const field = make(option.choices ? 'select' : 'input', '', option.field);
    if (option.choices) fill(field, option.choices, option.field.value);
    label.append(field);
    return label;
  }));
}

function play(kind) {
  stop.abort();
  stop = new AbortController();
  const { text, length, seed, decoder, ...options } = Object.fromEntries(new FormData($('form')));
  const body = { text, length: Number(length), seed: Number(seed), decoder, options };
  panes.forEach((pane) => pane.write(kind, body));
}

const panes = [new Pane(0), new Pane(1)];
const look = () => location.hash === '#playground' && fillRuns();
$('form').onsubmit = (submit) => {
  submit.preventDefault();
  play(submit.submitter?.value ?? 'generate');
};
$('stop').onclick = () => stop.abort();
$('decoder').onchange = fillOptions;
['hashchange', 'runs'].forEach((name) => addEventListener(name, look));
