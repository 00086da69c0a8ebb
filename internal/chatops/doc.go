// Package chatops turns a comment on a pull request into commands, finds out whether their author may give them, carries
// them out once, and answers.
package chatops
