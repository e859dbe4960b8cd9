import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test, vi } from "vitest";

const runProcess = new URL("./run-process.ts", import.meta.url).href;
const environment = new URL("./environment.ts", import.meta.url).href;
const toldError = new URL("./told-error.ts", import.meta.url).href;

function start(body: string): { child: ChildProcess; output: () => string } {
  const script = `
    import { once } from "node:events";
    import { runProcess } from ${JSON.stringify(runProcess)};
    import { ConfigError } from ${JSON.stringify(environment)};
    import { ToldError } from ${JSON.stringify(toldError)};
    runProcess("test", async (signal) => { ${body} });`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let text = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  return { child, output: () => text };
}

const untilAborted = `const timer = setInterval(() => {}, 1000); process.send("up"); await once(signal, "abort"); clearInterval(timer);`;
const deaf = `setInterval(() => {}, 1000); process.send("up"); signal.addEventListener("abort", () => process.send("asked")); await new Promise(() => {});`;

test.each(["SIGINT", "SIGTERM"] as const)("%s asks main to end, and that is a success", async (signal) => {
  const { child } = start(untilAborted);
  await once(child, "message");
  child.kill(signal);
  expect(await once(child, "exit")).toEqual([0, null]);
});

test("a later second signal ends it at once with 130", async () => {
  const { child } = start(deaf);
  await once(child, "message");
  const ended = once(child, "exit");
  await vi.waitFor(
    () => {
      child.kill("SIGINT");
      expect(child.exitCode).toBe(130);
    },
    { timeout: 20_000 },
  );
  expect(await ended).toEqual([130, null]);
});

test("a signal that arrives twice, from the terminal and from npm, is one request", async () => {
  const { child } = start(`${untilAborted} await new Promise((resolve) => setImmediate(resolve));`);
  await once(child, "message");
  child.kill("SIGINT");
  child.kill("SIGINT");
  expect(await once(child, "exit")).toEqual([0, null]);
});

test("ends when its parent goes away", async () => {
  const { child } = start(untilAborted);
  await once(child, "message");
  child.disconnect();
  expect(await once(child, "exit")).toEqual([0, null]);
});

test("lists every problem of the configuration and exits with 1", async () => {
  const { child, output } = start(`throw new ConfigError(["A is wrong", "B is missing"]);`);
  expect(await once(child, "close")).toEqual([1, null]);
  expect(output()).toBe(
    "helloway test: not started, 2 problems with the configuration:\n  - A is wrong\n  - B is missing\n",
  );
});

test("shows no stack for a failure whose message is the whole story, and one for a surprise", async () => {
  const told = start(`throw new ToldError("the port is taken");`);
  expect(await once(told.child, "close")).toEqual([1, null]);
  expect(told.output()).toBe("helloway test: the port is taken\n");
  const surprise = start(`null.x;`);
  expect(await once(surprise.child, "close")).toEqual([1, null]);
  expect(surprise.output()).toMatch(/TypeError: .*\n\s+at /);
});
