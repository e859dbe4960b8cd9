/** @peculiar/x509, which must find the reflection of metadata that it is built on when it loads. */
import "reflect-metadata";

export * from "@peculiar/x509";
