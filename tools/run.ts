import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";
import { repository } from "./repository.ts";

/** A command that ended with another code than 0; the message is what it wrote. */
export class CommandError extends Error {
  constructor(command: string, code: number | null, output: string) {
    super(`${output.trimEnd()}\n${command} ended with ${code}`);
    this.name = "CommandError";
  }
}

/** Runs a command of the dependencies or the system in a directory of the repository; what it wrote. Throws CommandError. */
export async function run(command: string, args: readonly string[], directory = "."): Promise<string> {
  const bin = join(repository, "node_modules", ".bin");
  const child = spawn(command, args, {
    cwd: join(repository, directory),
    env: { ...process.env, NO_COLOR: "1", PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}` },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new CommandError([command, ...args].join(" "), code, output);
  return output;
}
