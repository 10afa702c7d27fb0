// Resolves when two more frames have been drawn, or after a second where none are.
new Promise((resolve) => {
  setTimeout(resolve, 1000);
  requestAnimationFrame(() => requestAnimationFrame(resolve));
})
