import { defineSuite } from "./suite/suite.ts";

defineSuite(1);
