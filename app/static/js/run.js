// The page of a photo, at its own address.

import { live } from "./live.js";

await live();
