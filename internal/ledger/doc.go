// Package ledger is the account book of the gateway: every call, refused ones too, becomes one row, exactly once,
// whatever dies in between. A call is appended to a spool on the local disk before its answer ends; a writer takes the
// calls from there to the store in batches.
package ledger
