complete --keep-order --exclusive --command phonework --arguments "(PHONEWORK_COMPLETE=fish phonework -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
