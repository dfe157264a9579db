/* pages: the opened pages of segments, for src/search alone. */
#ifndef EDN_SEARCH_PAGES_H
#define EDN_SEARCH_PAGES_H

#include "search/segment_priv.h"

/* A page of a segment, with EDN_PACK_SLACK bytes behind it; borrowed until the next call. */
EDN_MUST_USE edn_status pages_get(edn_segment *s, uint32_t page, const uint8_t **out);
/* Wipes and gives back all pages of a segment. */
void pages_leave(edn_segment *s);

#endif
