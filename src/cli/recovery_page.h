/* recovery_page: a recovery share as a page to print. Pure. */
#ifndef EDN_CLI_RECOVERY_PAGE_H
#define EDN_CLI_RECOVERY_PAGE_H

#include <edn/recovery.h>

#include "base/base.h"

/* Text of somebody's, for a page: control characters as escapes, and none that HTML means something by. */
void edn_cli_put_html(edn_buf *out, const char *text);
void edn_cli_page_text(edn_buf *out, const edn_recovery_page *page, const char *date);
/* One file that needs nothing else, with the words as a QR code. EDN_E_NOMEM. */
EDN_MUST_USE edn_status edn_cli_page_html(edn_buf *out, const edn_recovery_page *page, const char *date);

#endif
