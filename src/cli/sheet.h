/* sheet: the emergency sheet. Pure, but for today's date. */
#ifndef EDN_CLI_SHEET_H
#define EDN_CLI_SHEET_H

#include <edn/client.h>

#include "cli/term.h"

/* `with_key`: the account key stands on it, when there is one. */
void edn_cli_sheet_text(edn_buf *out, const edn_cli_term *term, const edn_account_info *info, bool with_key);
/* One file that needs nothing else, with all of it as a QR code. EDN_E_NOMEM. */
EDN_MUST_USE edn_status edn_cli_sheet_html(edn_buf *out, const edn_account_info *info);

#endif
