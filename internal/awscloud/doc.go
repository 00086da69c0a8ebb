// Package awscloud gives stages their credentials of an AWS account, for one run, and says in words why there are none.
package awscloud
