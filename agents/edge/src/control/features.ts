/** What this side of the agent can be asked for, beside what its engine understands. Announced to the control plane. */
export const controlFeatures: readonly string[] = ["cut"];
