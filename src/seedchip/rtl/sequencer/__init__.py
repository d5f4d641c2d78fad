"""From program bytes to starts: fetch, dispatch, queues, semaphores and locks."""
