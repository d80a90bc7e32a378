// Package tencent is what the adapters of Tencent's networks share: the envelope of what these networks
// push (Envelope, Callback), strict decoding (DecodeXML), access tokens (Tokens), calls of their API
// (Client), and what their error codes mean (Codes).
//
// An Official Account (api.weixin.qq.com) and WeCom with its customer service (qyapi.weixin.qq.com)
// speak nearly the same: pushes are signed with SHA-1 and encrypted with AES-256-CBC, calls carry an
// access token in their address, and errors come with status 200 and an errcode. Where they differ, a
// Network tells which one is meant. Documents: https://developers.weixin.qq.com/doc/service/ and
// https://developer.work.weixin.qq.com/document/.
//
// No error and no log line of this package holds a token, a key, an address or a body.
package tencent
