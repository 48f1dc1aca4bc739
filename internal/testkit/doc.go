// Package testkit starts the real servers that tests need, PostgreSQL, Redis (or Valkey) and PgBouncer, on free ports
// of the loopback interface. It is for tests only.
//
// A server runs below a small shell (supervise.sh) that ends it and removes its folder when the test process is gone,
// however it went: returned, panicked, or killed. What is not installed fails the test and says what to install;
// nothing is skipped. As root, servers run as the user postgres or nobody, since PostgreSQL refuses to run as root.
package testkit
