/* recovery_page: a recovery share as a page to print. Pure. */
#ifndef EDN_CLI_RECOVERY_PAGE_H
#define EDN_CLI_RECOVERY_PAGE_H

#include <edn/recovery.h>

#include "base/base.h"

void edn_cli_page_text(edn_buf *out, const edn_recovery_page *page, const char *date);
/* One file that needs nothing else, with the words as a QR code. EDN_E_NOMEM. */
EDN_MUST_USE edn_status edn_cli_page_html(edn_buf *out, const edn_recovery_page *page, const char *date);

#endif
