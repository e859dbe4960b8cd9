/** What went wrong in one line, for logs and status pages. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
