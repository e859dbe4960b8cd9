import { readFile } from "node:fs/promises";
import type { SocketAddress } from "@helloway/runtime/environment-fields";
import { ConfigError } from "@helloway/runtime/environment";
import { describeError } from "./describe-error.ts";
import { type JoinToken, parseJoinToken } from "./join-token.ts";

/** With what an agent without an identity joins a fleet. Throws ConfigError that says what is missing and where to get it. */
export async function readJoining(given: {
  joinToken: { text: string } | { file: string } | null;
  control: SocketAddress | null;
}): Promise<{ joinToken: JoinToken; control: SocketAddress }> {
  const problems: string[] = [];
  const joinToken = await readToken(given.joinToken, problems);
  if (given.control === null) {
    problems.push(
      "HELLOWAY_CONTROL_ADDRESS is required until this edge has enrolled: the address of the control plane's gRPC port, host:port",
    );
  }
  if (joinToken === null || given.control === null) throw new ConfigError(problems);
  return { joinToken, control: given.control };
}

async function readToken(
  given: { text: string } | { file: string } | null,
  problems: string[],
): Promise<JoinToken | null> {
  if (given === null) {
    problems.push(
      "HELLOWAY_JOIN_TOKEN is required: this edge has no identity in the data directory yet. An administrator gets a token with " +
        "POST /api/v1/pools/{pool}/join-tokens; it is good for one edge",
    );
    return null;
  }
  try {
    const token = parseJoinToken("text" in given ? given.text : await readFile(given.file, "utf8"));
    if (token === null)
      problems.push("HELLOWAY_JOIN_TOKEN is not a join token: it begins with hwj_ and has a dot in its middle");
    return token;
  } catch (error) {
    problems.push(`HELLOWAY_JOIN_TOKEN_FILE cannot be read: ${describeError(error)}`);
    return null;
  }
}
