// The engine under test: nothing else in this folder names one. Another that keeps to `Relay` takes its place here.
export { createRelay } from "@helloway/edge/relay/create-relay";
