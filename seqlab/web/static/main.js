// The connection that tells what changes.
import { $, events } from './wire.js';
import { chosen, onChoice, takeTable } from './table.js';
import { choose, take } from './chosen.js';
import './playground.js';
let version = '';
let connection;

const say = (textContent, className) => Object.assign($('state'), { textContent, className });

async function connect() {
  connection?.abort();
  const { signal } = connection = new AbortController();
  while (!signal.aborted) {
    try {
      const query = new URLSearchParams({ runs: [...chosen].join(), since: version });
      for await (const [name, told] of events(`/api/events?${query}`, null, signal)) {
        version = told.version ?? version;
        (take[name] ?? takeTable)(told);
        say(`live: ${$('state').dataset.root}`, '');
      }
    } catch (error) {
      if (!signal.aborted) say(`not connected: ${error.message}`, 'problem');
    }
    await new Promise((done) => setTimeout(done, 1000));
  }
}

onChoice(() => { choose(); connect(); });
connect();
