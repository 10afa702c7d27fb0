(() => {
  const vitals = window[Symbol.for("headroom vitals")]();
  const page = performance.getEntriesByType("navigation")[0];
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return {
    ttfb_ms: page.responseStart, load_ms: page.loadEventEnd, fcp_ms: paint?.startTime ?? null,
    lcp_ms: vitals.lcp, cls: vitals.cls, inp_ms: vitals.inp,
  };
})()
