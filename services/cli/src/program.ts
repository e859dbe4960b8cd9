import { Command } from "commander";
import { registerQuickResolution } from "./quick-resolution.ts";
import { readVersion } from "./version.ts";

const description = `Routes TLS by the name in the ClientHello, without terminating it, across a fleet of edges.`;

const exitCodes = `
Everything is configured by environment variables: see docs/configuration.md.
Exit codes: 0 done, 1 error, 64 usage, 130 interrupted.`;

/** The commands. What one of them needs is imported when it runs, so that --help stays quick. */
export function createProgram(env: NodeJS.ProcessEnv): Command {
  const program = new Command("helloway")
    .description(description)
    .version(readVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .addHelpText("after", exitCodes)
    .showSuggestionAfterError()
    .exitOverride();

  subcommand(program, "dev", "run everything on this machine: control plane, one edge, two demo backends").action(
    async () => {
      const [{ runProcess }, { runDev }] = await Promise.all([
        import("@helloway/runtime/run-process"),
        import("./dev/run-dev.ts"),
      ]);
      runProcess("dev", (signal) => runDev(env, signal));
    },
  );

  subcommand(program, "control", "run the control plane: the HTTP API and the gRPC port that edges connect to").action(
    async () => {
      registerQuickResolution();
      const [{ runProcess }, { runControl }] = await Promise.all([
        import("@helloway/runtime/run-process"),
        import("@helloway/control/main"),
      ]);
      runProcess("control", (signal) => runControl(env, signal));
    },
  );

  subcommand(program, "agent", "run an edge: accept TLS connections and relay them by name").action(async () => {
    const [{ runProcess }, { runAgent }] = await Promise.all([
      import("@helloway/runtime/run-process"),
      import("@helloway/edge/main"),
    ]);
    runProcess("agent", (signal) => runAgent(env, signal));
  });

  subcommand(program, "demo-backends", "run TLS backends with self-signed certificates to try an edge with")
    .argument(
      "[backend...]",
      "name=address:port; port 0: the one of the last run, else any (default: one.localhost=127.0.0.1:0 two.localhost=127.0.0.1:0)",
    )
    .action(async (backends: string[]) => {
      const [{ runProcess }, { runDemoBackends }] = await Promise.all([
        import("@helloway/runtime/run-process"),
        import("./demo/run-demo-backends.ts"),
      ]);
      runProcess("demo-backends", (signal) => runDemoBackends(env, backends, signal));
    });

  return program;
}

function subcommand(program: Command, name: string, summary: string): Command {
  return program
    .command(name)
    .description(summary)
    .helpOption("-h, --help", "print this help")
    .allowExcessArguments(false)
    .exitOverride();
}
