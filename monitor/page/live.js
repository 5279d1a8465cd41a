// Keeps the page as fresh as the board: an event says that something has changed, and the page
// is asked for again. Of its parts those that differ are exchanged, so that what is being
// read, chosen or typed on elsewhere stays. Without this script the page is whole, and still.
"use strict";
(() => {
  const live = document.getElementById("live");
  const word = document.getElementById("live-word");
  const said = document.getElementById("said");
  let busy = false, wanted = false;

  function state(name, words) {
    live.className = "live " + name;
    word.textContent = words;
  }

  async function refresh() {
    if (busy || document.hidden) { // later: what nobody sees need not be new
      wanted = true;
      return;
    }
    busy = true;
    wanted = false;
    try {
      const answer = await fetch(location.pathname + location.search, { cache: "no-store", redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (fresh.body.dataset.assets !== document.body.dataset.assets) { // the service is another version
        location.reload();
        return;
      }
      take(fresh);
      state("on", "live,");
    } catch {
      state("off", "not live, this is of");
    } finally {
      busy = false;
      if (wanted) refresh();
    }
  }

  function take(fresh) {
    const before = document.getElementById("verdict")?.dataset.said;
    document.title = fresh.title;
    for (const id of ["icon", "asof"]) {
      document.getElementById(id).replaceWith(document.adoptNode(fresh.getElementById(id)));
    }
    parts(document.getElementById("main"), fresh.getElementById("main"));
    const now = document.getElementById("verdict")?.dataset.said ?? "";
    if (now !== before) said.textContent = now; // for who does not see it turn red
  }

  // parts makes the children of old those of fresh. Both have them in one order, each with an id.
  function parts(old, fresh) {
    const list = [...fresh.children];
    const ids = new Set(list.map((part) => part.id));
    let at = old.firstElementChild;
    for (const part of list) {
      while (at && !ids.has(at.id)) at = gone(at);
      if (at && at.id === part.id) {
        const next = at.nextElementSibling;
        exchange(at, part);
        at = next;
      } else {
        old.insertBefore(document.adoptNode(part), at);
      }
    }
    while (at) at = gone(at);
  }

  function gone(part) {
    const next = part.nextElementSibling;
    part.remove();
    return next;
  }

  function exchange(old, fresh) {
    for (const d of fresh.querySelectorAll("details[id]")) {
      const was = document.getElementById(d.id);
      if (was) d.open = was.open;
    }
    if (old.outerHTML === fresh.outerHTML) return;
    const chosen = getSelection();
    if (chosen && !chosen.isCollapsed && chosen.containsNode(old, true)) return; // somebody copies it
    const focus = old.contains(document.activeElement) ? document.activeElement : null;
    const path = focus && (focus.id ? "#" + CSS.escape(focus.id)
      : focus.tagName === "SUMMARY" && focus.parentElement.id ? "#" + CSS.escape(focus.parentElement.id) + " > summary" : "");
    const scrolled = [...old.querySelectorAll(".scroll[id]")].map((e) => [e.id, e.scrollLeft, e.scrollTop]);
    old.replaceWith(document.adoptNode(fresh));
    for (const [id, left, top] of scrolled) document.getElementById(id)?.scrollTo(left, top);
    if (path) document.querySelector(path)?.focus({ preventScroll: true });
  }

  let stream;
  function listen() {
    stream = new EventSource(document.body.dataset.root + "events");
    stream.addEventListener("board", refresh);
    stream.addEventListener("beat", refresh); // ages go on, though nothing happens
    stream.addEventListener("error", () => {
      state("off", "not live, this is of");
      if (stream.readyState === EventSource.CLOSED) { // refused: the browser does not try again
        setTimeout(listen, 5000);
      }
    });
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && wanted) refresh();
  });
  addEventListener("pagehide", () => stream.close());
  addEventListener("pageshow", (e) => {
    if (e.persisted) listen();
  });
  listen();
})();
