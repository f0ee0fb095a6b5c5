//! Levee's agent: loads the XDP program, feeds it, reads it and answers for it.
