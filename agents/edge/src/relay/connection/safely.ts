/** A listener that hands what its step throws to `bug`: a defect met by one connection must end that connection only. */
export function safely<A extends unknown[]>(bug: (error: unknown) => void, step: (...args: A) => void) {
  return (...args: A): void => {
    try {
      step(...args);
    } catch (error) {
      bug(error);
    }
  };
}
