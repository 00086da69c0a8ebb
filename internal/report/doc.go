// Package report reads what tools leave behind (JUnit, Cobertura, SARIF) and turns it into findings, figures and tables.
//
// Every reader expects the worst: a report is written by the code of a repository, so its size, depth and counts are
// bounded, nothing outside the file is ever loaded, and no text of it is trusted.
package report
