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
    X(server_drops_batch, "the server signs for a batch that it does not keep") \
    X(ignores_gossip, "what a batch says its author had seen is not looked at") \
    X(never_names_withheld, "a batch that is owed is never asked after") \
    X(accuses_at_once, "a batch that is not here yet is called withheld") \
    X(accepts_other_log, "a batch made under another device log is taken") \
    X(takes_other_spaces, "a batch of another space is not refused as such") \
    X(overlooks_its_copy, "a batch under this device's own name that it did not write is passed over") \
    X(believes_any_receipt, "a receipt's signature is not checked") \
    X(logs_in_anywhere, "a server that calls itself otherwise gets a login") \
    X(leaks_memory, "each sync leaves a device log in memory") \
    X(nonce_of_randomness, "a nonce is what the random source gave") \
    X(skips_commitment, "a box is opened whatever key it commits to") \
    X(server_never_syncs, "the server acknowledges before the disk has it") \
    X(server_takes_gaps, "the server keeps a batch whose chain does not fit") \
    X(drops_last_record, "the last record of each batch is not applied") \
    X(trusts_wall_clock, "an event of the future, by this device's clock, has to wait") \
    X(forgets_journal_key, "a journal's first key is not sent") \
    X(loses_own_batch, "a batch is numbered and not kept") \
    X(numbers_by_server, "a device goes on from the number that the server knows") \
    X(ties_by_arrival, "of two concurrent characters the one that came first here goes first") \
    X(loses_conflict, "a deletion beside an edit hides the edit without a word") \
    X(applies_twice, "a long run of events that is here already is applied again") \
    X(catalog_unsealed, "the table of contents is written as it is") \
    X(keeps_old_passphrase, "after a change the old passphrase still opens") \
    X(index_keeps_old, "an edited entry is still found by what it held before") \
    X(finds_deleted, "a deleted entry is still found")
/* clang-format on */

#endif
