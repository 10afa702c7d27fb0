// Package coherence keeps the caches of several instances coherent that share L2.
//
// In short:
//
//   - Every key belongs to a stripe, and every stripe has an epoch in each instance and one in L2. A value counts only
//     while its stripe has the epoch that was read before the value was.
//   - An invalidation raises the epoch here, replaces the one in L2, and publishes a message. It returns when every
//     instance that may serve has acknowledged.
//   - An instance may serve from L1 and L2 only while it has its lease: while a heartbeat of its own, sent less than a
//     second ago, has come back to it on the same channel. So one that hears nothing serves nothing.
//   - Loads are given the position in the primary's log that they must see, so that a lagging replica does not bring
//     back what was invalidated.
//   - What could not be made known is repeated when contact is back, and a change that failed is invalidated again when
//     the primary has settled whether it was made.
//
// # How several instances stay coherent
//
// The promise: what a Get returns is no older than any change whose Invalidate had returned nil, in whichever instance,
// before the Get began.
//
// Stripes. Every key belongs to one scope and every scope to one of 65,536 stripes. A stripe has an epoch in each
// instance (a counter) and an epoch in L2 (a random number under headroom:2:e:<process>:<stripe>).
//
//   - A flight, the way from a miss to a value, reads the instance's epoch first. Its value is tagged with it, and is
//     served from L1 only while the stripe has that epoch still. So it does not matter when a slow load ends.
//   - A value in L2 is tagged with the epoch in L2 that was known before it was loaded; a value with another epoch is a
//     miss. So it does not matter when a slow load is written either. An epoch in L2 is read with the value, by one MGET,
//     and then known for as long as the stripe has the epoch in this instance that the flight had read before: what
//     replaces it in L2 raises that one too, before it is acknowledged. So a known epoch is as good as an entry in L1.
//     (L2 may lose an epoch without a word; then another one is begun, and is read when a value bears it.)
//   - Loads are given the highest position in the primary's log that an invalidation of the stripe told of, and read
//     from the primary or from a replica that has got there. So a lagging replica does not refill what was invalidated.
//     Whoever knows an epoch knows its position: a stripe's is raised before its epoch, and an epoch in L2 contains it,
//     as an instance may read the new epoch before it hears of it.
//
// Invalidate, called after the commit, (1) raises the stripes here, (2) sends L2, in one pipeline, the removal of the
// epochs there (which a full server takes too), new random ones, and a message on the bus, and (3) waits until every
// other instance that may serve from its L1 has raised its stripes. L2 is changed before the message is sent: an
// instance that has raised its epoch cannot read a value with the old one from L2 any more.
//
// Lease. Each instance publishes a heartbeat on the bus every 100 ms and hears it itself. The server passes on messages
// in the order in which they were published, and an instance applies them in that order. So when a heartbeat has
// come back, everything published before it was *sent* has been applied. An instance serves from L1 and L2, and joins
// flights, only while the last heartbeat that came back, by the present subscription, was sent less than leaseTime (1 s)
// ago. Get looks at the lease first and at the epoch then: the other way round, a message and a heartbeat could both
// arrive in between.
//
// Who has to acknowledge. It is not enough to wait for as many acknowledgements as PUBLISH had receivers: an instance
// whose subscription the server has just dropped is not among these, and may not have noticed yet. So instances know
// each other by their heartbeats. A sender is done when its own message has come back to it, and each instance from
// which it has heard a heartbeat within leaseTime + leaseMargin has acknowledged; and not before its own subscription is
// as old as that, as it may have missed heartbeats before. Otherwise it is done when leaseTime + leaseMargin
// have passed since the server took the message. Why that is enough: let another instance serve at a time t with its lease, and
// not have applied the message. The heartbeat H that its lease rests on was sent after t - 1 s and came back by a
// subscription that was alive then. Were H published after the message, that subscription would have brought the
// message before, or would be younger than the message, and then nothing in L1 counted (see Joining). So H was
// published before the message, less than leaseTime before t. If t is later than leaseTime after the message, that is impossible: hence the
// second way to be done. And if the sender was subscribed when H was published, it heard H before its own message came
// back: hence the first.
//
// So an instance that is frozen, or cut off from L2, has no lease when a sender stops waiting for it, and once it has
// been silent for leaseTime + leaseMargin nobody waits for it any more. leaseMargin (250 ms) is for clocks that run at
// different rates and for Dragonfly, which hands a message to the thread of a subscriber after it has answered.
// Clocks are never compared between machines. They must go on while a process stands still, which
// CLOCK_MONOTONIC does for a stopped process, but not for a virtual machine that is suspended as a whole.
//
// Without the lease, every Get goes past L1 and L2 to the primary (L3 is checked by the database: see level3.go), and
// only flights that have not begun may be joined. That is slower and not stale.
//
// Joining. An instance subscribes; asks the primary for its position, which becomes the least that loads are given; raises all its stripes
// (so that nothing in L1 counts); repeats what it failed to invalidate; and, if it had lost contact, waits for another
// leaseTime, so that the others can repeat theirs before it reads from L2. What was published before the subscription
// cannot concern it, as L1 counts for nothing and the position is later.
//
// A server that restarts from a snapshot may come back with old values and their old epochs. The names of epochs
// therefore contain the server's run id, and every connection asks for it when it is made: values of another process
// have no epoch.
//
// A partition. When Invalidate cannot reach L2, it waits until leaseTime + leaseMargin have passed since contact was lost,
// and returns an error, unless the instance could rejoin meanwhile and repeat the invalidation. If L2 is down for
// everybody, nobody has a lease by then and nothing stale is served even so. If only this instance is cut off, the
// others go on serving what they have: hence the error. The invalidation is repeated before anything else when contact
// is back.
//
// What it costs: an invalidation in the first leaseTime + leaseMargin of a subscription waits for the rest of that time,
// and one while an instance has just stopped without a word, for as long.
package coherence
