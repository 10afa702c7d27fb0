// Observes the vitals of a page from its beginning, as https://web.dev/articles/vitals defines them.
if (window === window.top) {
  const vitals = {lcp: null, cls: 0, inp: null};
  const observers = [];
  const watch = (type, take, options) => {
    const handle = (list) => list.forEach(take);
    const observer = new PerformanceObserver((list) => handle(list.getEntries()));
    observer.observe({type, buffered: true, ...options});
    observers.push(() => handle(observer.takeRecords()));
  };
  watch("largest-contentful-paint", (entry) => (vitals.lcp = entry.startTime));
  // the largest window of shifts: with less than a second between two, and five seconds in all
  let sum = 0, first = 0, last = 0;
  watch("layout-shift", (entry) => {
    if (entry.hadRecentInput) return;
    if (entry.startTime - last > 1000 || entry.startTime - first > 5000) {
      sum = 0;
      first = entry.startTime;
    }
    sum += entry.value;
    last = entry.startTime;
    vitals.cls = Math.max(vitals.cls, sum);
  });
  watch("event", (entry) => {
    if (entry.interactionId) vitals.inp = Math.max(vitals.inp ?? 0, entry.duration);
  }, {durationThreshold: 16});
  // the first interaction is reported even if it took less than that
  watch("first-input", (entry) => (vitals.inp = Math.max(vitals.inp ?? 0, entry.duration)));
  Object.defineProperty(window, Symbol.for("headroom vitals"), {
    value: () => {
      for (const flush of observers) flush();
      return vitals;
    },
  });
}
