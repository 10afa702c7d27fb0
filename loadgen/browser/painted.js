// Whether what the page has to show has been painted; true as well where it has nothing to show.
(() => {
  const text = document.body?.innerText?.trim();
  if (!text && !document.querySelector("img, svg, video, canvas")) return true;
  if (performance.getEntriesByName("first-contentful-paint").length === 0) return false;
  return !text || window[Symbol.for("headroom vitals")]().lcp !== null;
})()
