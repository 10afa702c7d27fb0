// Package coherence keeps the caches of several instances that share L2 coherent.
//
// In short:
//
//   - Every key belongs to a stripe. A stripe has one epoch in each instance and one in L2.
//   - A value counts only while its stripe still has the epoch that was read before the value was loaded.
//   - An invalidation raises the epoch here, replaces the one in L2, and publishes a message. It returns when every
//     instance that may serve has acknowledged.
//   - An instance may serve from L1 and L2 only while it holds its lease: while a heartbeat that it sent less than a
//     second ago has come back to it on the same channel. An instance that hears nothing serves nothing.
//   - Loads are given the LSN that they must see, so a lagging replica does not bring back what was invalidated.
//   - What could not be published is repeated when contact returns. A failed change is invalidated again when the
//     primary has settled whether it was made.
//
// # The promise
//
// What a Get returns is no older than any change whose Invalidate had returned nil, in any instance, before the Get
// began. An LSN is a position in the primary's write-ahead log.
//
// # Stripes and epochs
//
// Every key belongs to one scope, and every scope to one of 65,536 stripes. A stripe has an epoch in each instance (a
// counter) and an epoch in L2 (a random number under headroom:3:e:<process>:<stripe>).
//
//   - A flight takes a key from a miss to a value. It reads the instance's epoch first and tags its value with it. L1
//     serves the value only while the stripe still has that epoch. So it does not matter when a slow load ends.
//   - A value in L2 is tagged with the epoch in L2 that was known before it was loaded. A value with another epoch is a
//     miss. So it does not matter when a slow load is written either.
//   - The epoch in L2 is read together with the value, by one MGET. It is then known for as long as the stripe keeps
//     the epoch in this instance that the flight had read before. Whoever replaces the epoch in L2 also raises this one
//     before acknowledging, so a known epoch is as good as an entry in L1. (L2 may evict an epoch. Then another one is
//     begun, and is read as soon as a value bears it.)
//   - Loads are given the highest LSN of any invalidation of the stripe. They read from the primary, or from a replica
//     that has replayed that LSN. So a lagging replica does not refill what was invalidated. Whoever knows an epoch
//     also knows its LSN: a stripe's LSN is raised before its epoch, and the text of an epoch in L2 contains its LSN,
//     because an instance may read the new epoch before it receives the message.
//
// # Invalidation
//
// Invalidate is called after the commit. It
//
//  1. raises the stripes in this instance,
//  2. sends L2 one pipeline: the removal of the old epochs (which works even when L2 has no memory left), new random
//
// epochs,
//
//	   and a message on the bus,
//	3. waits until every other instance that may serve from its L1 has raised its stripes.
//
// L2 changes before the message is sent. So an instance that has raised its epoch can no longer read a value with the
// old epoch from L2.
//
// # Lease
//
// Each instance publishes a heartbeat on the bus every 100 ms and receives it itself. The server forwards messages in
// the order in which they were published, and an instance applies them in that order. So when a heartbeat has come
// back, the instance has applied everything that was published before the heartbeat was sent.
//
// An instance serves from L1 and L2, and joins flights, only while its last returned heartbeat was sent less than
// LeaseTime (1 s) ago and came back on the present subscription. Get checks the lease first and the epoch second. In
// the other order, a message and a heartbeat could both arrive in between.
//
// # Who has to acknowledge
//
// It is not enough to count the receivers that PUBLISH reports. An instance whose subscription the server has just
// dropped is not among them and may not have noticed yet. So instances know each other by their heartbeats. A sender is
// done when
//
//   - its own message has come back,
//   - every instance from which it heard a heartbeat within LeaseTime + LeaseMargin has acknowledged,
//   - and its own subscription is at least that old, since it may have missed heartbeats before.
//
// Otherwise it is done when LeaseTime + LeaseMargin have passed since the server accepted the message.
//
// Proof. Suppose another instance serves at time t with its lease and has not applied the message. Its lease rests on a
// heartbeat H that was sent after t - 1 s and came back on a subscription that was alive then. If H had been published
// after the message, that subscription would have delivered the message first, or it would be younger than the message,
// and then nothing in L1 would count (see Joining). So H was published before the message, less than LeaseTime before
// t. If t is later than LeaseTime after the message, that is impossible, which justifies the second condition. If the
// sender was subscribed when H was published, it received H before its own message came back, which justifies the
// first.
//
// So an instance that is frozen or cut off from L2 has lost its lease when a sender stops waiting for it. Once it has
// been silent for LeaseTime + LeaseMargin, nobody waits for it. LeaseMargin (250 ms) allows for clocks that run at
// different rates, and for Dragonfly, which hands a message to a subscriber's thread after it has answered the
// publisher. Clocks are never compared between machines. They must keep running while a process is stopped.
// CLOCK_MONOTONIC does so for a stopped process, but not for a virtual machine that is suspended as a whole.
//
// Without its lease, an instance sends every Get past L1 and L2 to the primary (the database itself checks L3: see
// level3.go), and only flights that have not begun may be joined. That is slower, but never stale.
//
// # Joining
//
// An instance
//
//  1. subscribes,
//  2. asks the primary for its LSN, which becomes the minimum for all its loads,
//  3. raises all its stripes, so that nothing in L1 counts,
//  4. repeats the invalidations that it could not publish,
//  5. and, if it had lost contact before, waits for another LeaseTime, so that the others can repeat theirs before it
//     reads from L2.
//
// Messages from before the subscription do not matter: nothing in L1 counts, and the LSN is later.
//
// A server that restarts from a snapshot may bring back old values with their old epochs. So the names of epochs
// contain the server's run id, which every new connection asks for. Values of another process have no epoch.
//
// # Partitions
//
// When Invalidate cannot reach L2, it waits until LeaseTime + LeaseMargin have passed since contact was lost. Then it
// returns an error, unless the instance has rejoined meanwhile and repeated the invalidation. If L2 is down for
// everybody, nobody holds a lease by then, and nothing stale is served. If only this instance is cut off, the others
// keep serving what they have: hence the error. The invalidation is repeated before anything else when contact returns.
//
// # Regions
//
// Instances in several regions share one L2, which is near to those of one region. For the others it is further away
// than the database's replica, so they keep no values there and read none (Options.Far). They hear and send messages as
// all do. Nothing above depends on how long a message takes: a lease counts from when its heartbeat was sent, and an
// instance that is too far away to get its heartbeats back within LeaseTime serves nothing from L1. An invalidation
// takes the round trip to L2, and that from L2 to the furthest instance.
//
// # Cost
//
// An invalidation in the first LeaseTime + LeaseMargin of a subscription waits for the rest of that time. So does one
// that is sent just after an instance has stopped responding.
package coherence
