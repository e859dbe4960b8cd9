/** A failure whose message says everything the reader needs: what, why, and what to do next. Ends a process without a stack. */
export class ToldError extends Error {
  readonly told = true;

  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ToldError";
  }
}
