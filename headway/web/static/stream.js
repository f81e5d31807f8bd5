// Snapshots as they come. The stream is closed while the page has been hidden for a while (browsers allow six
// connections to one address, and open pages would use them up) and opened again when it is looked at.

const SILENCE = 15000; // three beats of the control process
const REOPEN = 2000;
const HIDDEN = 30000;

export function follow(onSnapshot, onLost) {
  let source = null;
  let watchdog = 0;
  let hiding = 0;

  function heard() {
    clearTimeout(watchdog);
    watchdog = setTimeout(lost, SILENCE);
  }

  function open() {
    close();
    source = new EventSource("/events");
    source.addEventListener("snapshot", (event) => {
      heard();
      onSnapshot(JSON.parse(event.data));
    });
    source.addEventListener("beat", heard);
    source.onerror = lost;
    heard();
  }

  function close() {
    clearTimeout(watchdog);
    source?.close();
    source = null;
  }

  function lost() {
    close();
    watchdog = setTimeout(open, REOPEN);
    onLost();
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(close, HIDDEN);
    else if (!source) open();
  });
  window.addEventListener("pagehide", close);
  open();
}
