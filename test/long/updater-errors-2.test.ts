/** A node whose disk fails: share 2 of 3 of the stories, beside the others. */
import { describeErrors } from '../harness/crash-errors-suite.ts';

describeErrors({ part: 1, parts: 3 });
