// performance.now() begins anew in every thread; hrtime is one clock for all of them, but makes an array with each reading. So
// the distance between the two is measured once.

/** Milliseconds of one monotonic clock, the same in every thread to within some microseconds. */
export function createEdgeClock(): () => number {
  const before = performance.now();
  const [seconds, nanoseconds] = process.hrtime();
  const after = performance.now();
  const offset = seconds * 1e3 + nanoseconds / 1e6 - (before + after) / 2;
  return () => performance.now() + offset;
}
