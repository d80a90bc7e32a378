// Package bridge is hutong's domain and its road: what the words mean (ids, message, contact, delivery),
// what an adapter and a store promise (adapter, event, store), and how one message travels.
//
// # The road
//
// An adapter hears something, makes an [Event] of it and brings it to [Inbox.Receive] (receive.go). The
// event becomes a plan, worked out from what is stored now and changing nothing: which link it is for
// (route.go), what rules and commands make of it (decide.go, command.go), who joins or leaves (join.go),
// what it changes in earlier messages (change.go). The plan is one [Step]: the message, who is who, and
// the deliveries that follow. The store makes it durable whole or not at all, and only then does Receive
// return nil and the adapter tell its network "I have it". If something that the plan was based on has
// changed meanwhile, the store says [ErrStale] and the plan is made again. Two first messages of one new
// customer so make one contact and one link.
//
// The store calls [Step.Then] in commit order, and that feeds the lanes (engine.go): one [LaneID] per link
// and side, in order, one delivery at a time. A worker of the destination's adapter takes a ready lane,
// finds or opens the room (send.go), fits the message to the network (render.go, label.go, files.go),
// and calls [Adapter.Send] (say.go). The answer's verdict (errors.go) says what becomes of the delivery
// (settle.go): sent, tried again later at the head of its lane, held until a window opens, failed, or
// unknown. That is durable before the lane goes on, together with what the network calls the copies, and
// with the mark that shows the writer what became of their message.
//
// Nothing is kept for a lane that is at rest; a lane with a backlog keeps its oldest few deliveries in
// memory and reads the others when it comes to them. After a crash the waiting lanes are claimed from the
// store and go on where they were. A delivery that may have been on the wire carries its idempotency key
// again; where the network cannot use one, the room is read back, or the message is shown as unknown.
//
// # What is where
//
// settings.go holds what the company decides; bridge.go and supervise.go run it all; views.go is what
// pages may ask; words.go is what the gateway itself says, in two languages.
package bridge
