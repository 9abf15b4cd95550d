// The two pages, and the connection that tells what changes.
import { $, events } from './wire.js';
import { chosen, onChoice, takeTable } from './table.js';
import { choose, takeLog, takeProblem, takeRows, takeSamples } from './chosen.js';
import { openPlayground } from './playground.js';

const take = { rows: takeRows, samples: takeSamples, log: takeLog, problem: takeProblem };
let version = '';
let connection;

const say = (text, bad = false) => {
  $('state').textContent = text;
  $('state').classList.toggle('bad', bad);
};

async function connect() {
  connection?.abort();
  const { signal } = connection = new AbortController();
  while (!signal.aborted) {
    try {
      const query = new URLSearchParams({ runs: [...chosen].join(), since: version });
      for await (const [name, told] of events(`/api/events?${query}`, null, signal)) {
        if (name === 'table') version = told.version;
        (name === 'table' ? takeTable : take[name])(told);
        say(`live: ${$('state').dataset.root}`);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 401) {
        return say('no valid token: open the address that seqlab serve printed', true);
      }
      say(`not connected (${error.message}); trying again`, true);
    }
    await new Promise((done) => setTimeout(done, 1000));
  }
}

onChoice(() => { choose(); connect(); });
connect();

const tabs = [...document.querySelectorAll('[role=tab]')];
const show = (tab) => tabs.forEach((one) => {
  one.ariaSelected = one === tab;
  one.tabIndex = one === tab ? 0 : -1;
  $(one.getAttribute('aria-controls')).hidden = one !== tab;
  if (one === tab) one.focus();
  if (one === tab && one.id === 'tab-playground') openPlayground();
});
tabs.forEach((tab, place) => {
  tab.onclick = () => show(tab);
  tab.onkeydown = ({ key }) => /^Arrow(Left|Right)$/.test(key) && show(tabs[1 - place]);
});
