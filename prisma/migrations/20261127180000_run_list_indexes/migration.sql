-- CreateIndex
CREATE INDEX "Run_projectId_status_createdAt_id_idx" ON "Run"("projectId", "status", "createdAt", "id");

-- CreateIndex
CREATE INDEX "Run_projectId_name_createdAt_id_idx" ON "Run"("projectId", "name", "createdAt", "id");

-- CreateIndex
CREATE INDEX "Run_tags_idx" ON "Run" USING GIN ("tags");

-- CreateIndex
CREATE INDEX "Run_metadata_idx" ON "Run" USING GIN ("metadata" jsonb_path_ops);
