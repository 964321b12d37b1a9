/** A node whose disk fails: share 3 of 3 of the stories, beside the others. */
import { describeErrors } from '../harness/crash-errors-suite.ts';

describeErrors({ part: 2, parts: 3 });
