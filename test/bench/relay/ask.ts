import type { LabProcess } from "./lab.ts";

/** Sends one of our processes a question and waits for what it says next; it answers one after the other. */
export async function ask<T>(of: LabProcess, question: object): Promise<T> {
  const answer = nextMessage<T>(of);
  of.child.send(question);
  return await answer;
}

/** @throws when the process ends before it says anything, or answers with an error. */
export async function nextMessage<T>(of: LabProcess): Promise<T> {
  const said = new Promise<unknown>((resolve) => of.child.once("message", resolve));
  const message = await Promise.race([said, of.exited]);
  if (typeof message === "object" && message !== null && "error" in message) throw new Error(String(message.error));
  return message as T;
}

/** The other end: answers every question with what `work` makes of it. The process ends with whoever asks. */
export function answerAll(work: (question: never) => Promise<unknown>): void {
  process.on("message", (question) => {
    work(question as never).then(
      (answer) => process.send?.(answer ?? {}),
      (error: unknown) => process.send?.({ error: error instanceof Error ? error.stack : String(error) }),
    );
  });
  process.on("disconnect", () => process.exit());
}
