// Live events: one EventSource, which resumes by Last-Event-ID itself. When it gives up (a proxy's
// error page, for example) a new one is made after a growing pause, and the page reads its state anew.

import { boot } from './words.js';

const names = ['line', 'edited', 'deleted', 'reacted', 'mark', 'typing', 'room', 'hint'];

/** connect calls on[name](data) for each event, on.reset() when the state must be read anew, and
    on.online(bool) when the connection comes and goes. */
export function connect(on) {
  let pause = 1000;
  let down = 0;
  let since = boot.since;
  const lost = () => {
    // A short gap, such as a restart, is not worth a word.
    down ||= setTimeout(() => on.online(false), 2500);
  };
  const back = () => {
    clearTimeout(down);
    down = 0;
    pause = 1000;
    on.online(true);
  };
  const open = () => {
    const source = new EventSource(`${boot.base}/live${since ? `?since=${encodeURIComponent(since)}` : ''}`);
    since = '';
    source.onopen = back;
    for (const name of names) {
      source.addEventListener(name, (e) => {
        let data;
        try { data = JSON.parse(e.data); } catch { return; }
        on[name]?.(data);
      });
    }
    source.addEventListener('reset', () => on.reset());
    source.onerror = () => {
      lost();
      if (source.readyState !== EventSource.CLOSED) return;
      setTimeout(() => { open(); on.reset(); }, pause * (0.75 + Math.random() / 2));
      pause = Math.min(pause * 2, 30000);
    };
  };
  addEventListener('offline', () => { clearTimeout(down); down = 1; on.online(false); });
  addEventListener('online', () => on.reset());
  open();
}
