/* plants: bugs of the kinds that real sync systems shipped, one hook each in src (base/plant.h). scripts/sim --plants
 * switches each on and counts the seeds until the simulator sees it; the table is in docs/RELIABILITY.md. */
#ifndef EDN_SIM_PLANTS_H
#define EDN_SIM_PLANTS_H

/* clang-format off */
#define SIM_PLANTS(X) \
    X(acknowledge_before_commit, "a write is acknowledged and not committed") \
    X(never_syncs, "the device's database never syncs its files") \
    X(loses_dirty_mark, "a change is kept and never marked for sending") \
    X(forgets_heads, "batches do not say what their author had seen") \
    X(drops_aside, "a record that has to wait is dropped") \
    X(never_retries, "a record that waits is never tried again") \
    X(synced_without_receipt, "says synced without a receipt") \
    X(silent_rollback, "a server that lost something is not told on") \
    X(takes_in_doubt, "a copied device takes what rests on its other copy") \
    X(pushes_blindly, "a push to a server that moved on counts as expected") \
    X(believes_any_probe, "a probe that says 'something is new' is read as 'nothing'") \
    X(skips_signature, "a batch's signature is not checked") \
    X(accepts_gaps, "a batch's number and the hash before are not checked") \
    X(reuses_nonce, "every seal uses one nonce") \
    X(first_write_wins, "a later write to a field loses") \
    X(never_untags, "taking a tag away adds it") \
    X(server_forgets_head, "the server keeps batches and not where they end") \
    X(server_drops_batch, "the server signs for a batch that it does not keep")
/* clang-format on */

#endif
