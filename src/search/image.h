/* image: a segment for a wire (docs/spec/shards.md, "Image"): the same documents, terms and counts in fewer bytes, by
 * an adaptive range coder; without positions and versions, and without anything that only makes searching quick. It is
 * decoded once, into a segment, where it arrives.
 *
 * Pure. Bytes may be hostile: memory and time are bounded by their number. */
#ifndef EDN_SEARCH_IMAGE_H
#define EDN_SEARCH_IMAGE_H

#include "search/segment.h"

/* Appends the image. A function of the documents and their terms alone: equal content, equal bytes. EDN_E_FORMAT and
 * what reading pages gave; EDN_E_NOMEM; EDN_E_LIMIT: more than 2^32 − 1 postings, or `out` is full. */
EDN_MUST_USE edn_status edn_image_put(edn_buf *out, edn_segment *s);
/* Writes the segment, without positions and with versions zero. `ids`, when not NULL, gets 16 bytes for each document.
 * EDN_E_FORMAT, EDN_E_NOMEM, and what `out` gave: pages that came before are worth nothing then. */
EDN_MUST_USE edn_status edn_image_decode(edn_bytes in, edn_segment_out_fn *out, void *ctx, uint32_t *docs,
                                         uint64_t *size, edn_buf *ids);

#endif
