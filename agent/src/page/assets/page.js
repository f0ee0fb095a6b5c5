// Keeps an open page live: takes events, changes only what differs, and says so when the agent does not answer. Without this script the
// page is whole, and stands still.
'use strict';
(() => {
  const body = document.body;
  const source = body.dataset.live;
  if (!source || !window.EventSource) return;

  const byId = (id) => document.getElementById(id);
  const [link, pause, stale, staleText, said, main] = ['link', 'pause', 'stale', 'stale-text', 'said', 'main'].map(byId);
  // No event for so long (milliseconds): the agent, or the way to it, is gone without a word.
  const SILENCE = 12000;
  // Numbers older than this (seconds) are told to be old.
  const OLD = 5;
  let events = null;
  let heard = Date.now();
  let lost = false;
  let paused = false;
  let old = false;
  let open = JSON.parse(body.dataset.attacks || '{}');
  let waiting = {};
  let again = 0;

  // What stands for the same thing before and after: rows by their key, so that they move as a whole.
  const keyOf = (node) => (node.nodeType === 1 ? node.getAttribute('data-key') || node.id || '' : '');

  function morph(have, want) {
    if (have.nodeType !== 1) {
      if (have.nodeValue !== want.nodeValue) have.nodeValue = want.nodeValue;
      return;
    }
    for (const { name } of [...have.attributes]) if (!want.hasAttribute(name)) have.removeAttribute(name);
    for (const { name, value } of want.attributes) if (have.getAttribute(name) !== value) have.setAttribute(name, value);
    children(have, want);
  }

  function children(have, want) {
    const keyed = new Map();
    for (const child of have.childNodes) if (keyOf(child)) keyed.set(keyOf(child), child);
    let at = have.firstChild;
    for (const next of [...want.childNodes]) {
      const key = keyOf(next);
      const same = key ? keyed.get(key) : at && !keyOf(at) && at.nodeName === next.nodeName ? at : null;
      if (same && same.nodeName === next.nodeName) {
        if (same === at) at = at.nextSibling;
        else place(have, same, at);
        morph(same, next);
      } else {
        have.insertBefore(next, at);
      }
    }
    while (at) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
  }

  // A row that moves keeps the focus that is in it.
  function place(parent, child, before) {
    if (parent.moveBefore) {
      parent.moveBefore(child, before);
      return;
    }
    const focus = child.contains(document.activeElement) ? document.activeElement : null;
    parent.insertBefore(child, before);
    if (focus) focus.focus({ preventScroll: true });
  }

  function selecting() {
    const selection = document.getSelection();
    return selection && !selection.isCollapsed && main.contains(selection.anchorNode);
  }

  function apply() {
    if (paused || selecting()) {
      state();
      return;
    }
    const focus = document.activeElement;
    for (const [name, html] of Object.entries(waiting)) {
      const part = document.querySelector(`[data-part="${name}"]`);
      if (!part) continue;
      const template = document.createElement('template');
      template.innerHTML = html;
      children(part, template.content);
    }
    waiting = {};
    // What had the focus is gone: the next key starts at the content, not at the top of the page.
    if (focus && focus !== body && !focus.isConnected) main.focus({ preventScroll: true });
    state();
  }

  function state() {
    const now = lost ? 'lost' : paused ? 'paused' : selecting() ? 'held' : 'live';
    const words = { lost: 'as of', paused: 'paused at', held: 'waits while text is selected, as of', live: 'live' };
    body.dataset.state = now;
    if (link.textContent !== words[now]) link.textContent = words[now];
  }

  const say = (text) => { said.textContent = text; };
  const clock = () => (document.querySelector('[data-part="clock"]') || {}).textContent || '';

  function tell(now) {
    const began = Object.keys(now).filter((id) => !open[id]).map((id) => `${now[id]} began.`);
    const over = Object.keys(open).filter((id) => !now[id]).map((id) => `${open[id]} is over.`);
    open = now;
    return [...began, ...over];
  }

  function warn(text) {
    staleText.textContent = text;
    stale.hidden = !text;
  }

  function lose() {
    if (lost) return;
    lost = true;
    const text = `The agent is not answering, since ${clock()}: what is shown is old. Protection goes on without it. Trying again.`;
    warn(text);
    say(text);
    state();
  }

  function find(news) {
    const late = news.age > OLD;
    if (lost || late !== old || news.gone) {
      warn(news.gone || (late ? `The agent answers, but its numbers are older than ${OLD} seconds: its host may be short of time.` : ''));
    }
    lost = false;
    old = late;
  }

  function take(event) {
    heard = Date.now();
    const news = JSON.parse(event.data);
    if (news.build !== body.dataset.build) {
      location.reload();
      return;
    }
    const told = lost ? ['The agent answers again.'] : [];
    find(news);
    Object.assign(waiting, news.parts);
    told.push(...tell(JSON.parse(news.attacks)));
    if (told.length > 0) say(told.join(' '));
    apply();
  }

  function connect() {
    disconnect();
    heard = Date.now();
    events = new EventSource(source);
    events.onmessage = take;
    events.onerror = () => {
      lose();
      // The browser tries again by itself, but not after an answer that was no stream.
      if (events && events.readyState === EventSource.CLOSED) {
        disconnect();
        again = setTimeout(connect, 3000);
      }
    };
  }

  function disconnect() {
    clearTimeout(again);
    if (events) events.close();
    events = null;
  }

  setInterval(() => {
    if (document.hidden || Date.now() - heard < SILENCE) return;
    lose();
    connect();
  }, 1000);
  // Browsers have six connections for a host: pages that nobody sees give theirs back.
  document.addEventListener('visibilitychange', () => (document.hidden ? disconnect() : connect()));
  window.addEventListener('pagehide', disconnect);
  window.addEventListener('pageshow', (event) => { if (event.persisted) connect(); });
  document.addEventListener('selectionchange', () => { if (Object.keys(waiting).length > 0) apply(); });
  pause.hidden = false;
  pause.addEventListener('click', () => {
    paused = !paused;
    pause.setAttribute('aria-pressed', String(paused));
    pause.textContent = paused ? 'Go on' : 'Pause';
    apply();
  });
  if (!document.hidden) connect();
})();
