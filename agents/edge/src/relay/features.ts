/** What this engine understands beyond the base; objects that require anything else are refused. Announced to the control plane. */
export const relayFeatures: readonly string[] = ["access", "balance", "limits", "match", "proxyProtocol"];
