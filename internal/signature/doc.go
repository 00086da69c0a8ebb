// Package signature signs images and verifies their signatures in the form that cosign writes and reads with a key: a
// small image under the tag sha256-….sig, whose layers are statements ("simple signing") with a signature each.
//
// The libraries of sigstore would bring transparency logs, certificates, and clients of several clouds, none of which a
// key needs; the form itself is a page.
package signature
