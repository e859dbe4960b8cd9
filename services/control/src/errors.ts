/** Every way the control plane says no. The transports map them, one total mapper each. */
export const errorCodes = {
  invalid: 422,
  malformed: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  precondition_failed: 412,
  too_large: 413,
  unsupported_media_type: 415,
  rate_limited: 429,
  unavailable: 503,
  internal: 500,
} as const;

export type ErrorKind = keyof typeof errorCodes;

/** One problem of one place of the input. pointer is an RFC 6901 JSON pointer into the body, or "?name" of the query. */
export interface Problem {
  pointer: string;
  /** snake_case, stable. */
  code: string;
  /** What is wrong and what to do. */
  detail: string;
}

/** Thrown for failures. `code` is stable and finer than the kind; the message says what, why, and what to do next. */
export class HellowayError extends Error {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly problems: readonly Problem[];
  readonly retryAfterSeconds: number | undefined;

  constructor(
    kind: ErrorKind,
    code: string,
    message: string,
    options: { cause?: unknown; problems?: readonly Problem[]; retryAfterSeconds?: number } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "HellowayError";
    this.kind = kind;
    this.code = code;
    this.problems = options.problems ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}
